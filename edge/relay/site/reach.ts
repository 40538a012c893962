import { all } from "../../../shared/result.ts";
import type { SaidRules } from "../../../shared/rule/target-policy.ts";
import { EVERY_TARGET, parseTargetRule } from "../../../shared/address/target-rule.ts";
import type { Attachment } from "../lanes/attachment.ts";
import type { End } from "../lanes/lanes.ts";
import type { Memory } from "./memory.ts";

/** What an agent says of its own rules, as in HELLO. */
export type Said = { readonly allow: readonly string[]; readonly deny: readonly string[] };

/** Bytes of rules that are kept in a socket's attachment, which holds 16,384 in all. */
const MOST_ATTACHED = 4_096;

/** What agents may dial: the targets of their tokens, and what they have said of their own rules. Survives hibernation. */
export class Reach {
  readonly #memory: Pick<Memory, "get" | "put">;
  readonly #parsed = new WeakMap<Said, SaidRules>();
  /** Long lists, by incarnation: read from storage once. */
  readonly #stored = new Map<string, Said | null>();

  constructor(memory: Pick<Memory, "get" | "put">) {
    this.#memory = memory;
  }

  /** Keeps what an agent has said; answers what its lane keeps of it. */
  keep(said: Said | undefined, incarnation: string): Attachment["said"] {
    if (said === undefined) return undefined;
    const text = JSON.stringify(said);
    if (text.length <= MOST_ATTACHED) return said;
    if (this.#of(incarnation) === null) this.#memory.put(key(incarnation), text);
    this.#stored.set(incarnation, said);
    return "stored";
  }

  /** Forgets an agent that is gone for good. */
  forget({ incarnation }: End): void {
    if (this.#of(incarnation) !== null) this.#memory.put(key(incarnation), "");
    this.#stored.delete(incarnation);
  }

  of({ lanes, incarnation }: End): { targets: readonly string[]; said: SaidRules } {
    const attachment = [...lanes.values()][0]?.attachment;
    const said = attachment?.said === "stored" ? this.#of(incarnation) : (attachment?.said ?? null);
    return { targets: attachment?.targets ?? EVERY_TARGET, said: said === null ? null : this.#parse(said) };
  }

  #of(incarnation: string): Said | null {
    const known = this.#stored.get(incarnation);
    if (known !== undefined) return known;
    const text = this.#memory.get(key(incarnation)) ?? "";
    const said = text === "" ? null : (JSON.parse(text) as Said);
    this.#stored.set(incarnation, said);
    return said;
  }

  /** Rules that this relay can't read are of a newer agent: nothing is known of it then. */
  #parse(said: Said): SaidRules {
    const before = this.#parsed.get(said);
    if (before !== undefined) return before;
    const [allow, deny] = [all(said.allow, parseTargetRule), all(said.deny, parseTargetRule)];
    const rules = allow.ok && deny.ok ? { allow: allow.value, deny: deny.value } : null;
    this.#parsed.set(said, rules);
    return rules;
  }
}

function key(incarnation: string): string {
  return `reach-${incarnation}`;
}
