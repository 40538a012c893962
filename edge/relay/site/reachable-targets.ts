import { all } from "../../../shared/result.ts";
import { type Reaches, reaches, type ReportedRules } from "../../../shared/rule/target-policy.ts";
import { EVERY_TARGET, parseTargetRule } from "../../../shared/address/target-rule.ts";
import { formatTarget, type Target } from "../../../shared/address/target.ts";
import type { Attachment, RuleTexts } from "../lanes/attachment.ts";
import type { End } from "../lanes/lanes.ts";
import type { Memory } from "./memory.ts";

/** Bytes of rules that are kept in a socket's attachment, which holds 16,384 in all. */
const MAX_ATTACHED_BYTES = 4_096;
/** Targets of which an answer is kept, for each agent. */
const MAX_CACHED_TARGETS = 1_000;

/** What agents may dial: the targets of their tokens, and what they have said of their own rules. Survives hibernation. */
export class ReachableTargets {
  readonly #memory: Pick<Memory, "get" | "put">;
  /** By attachment, which is another object whenever it changes, and by the target's text: a request must not judge it again. */
  readonly #cached = new WeakMap<Attachment, Map<string, Reaches>>();
  /** Long lists, by incarnation: read from storage once. */
  readonly #stored = new Map<string, RuleTexts | null>();

  constructor(memory: Pick<Memory, "get" | "put">) {
    this.#memory = memory;
  }

  /** Keeps what an agent has said; answers what its lane keeps of it. */
  keep(said: RuleTexts | undefined, incarnation: string): Attachment["said"] {
    if (said === undefined) return undefined;
    const text = JSON.stringify(said);
    if (text.length <= MAX_ATTACHED_BYTES) return said;
    if (JSON.stringify(this.#of(incarnation)) !== text) this.#memory.put(key(incarnation), text);
    this.#stored.set(incarnation, said);
    return "stored";
  }

  /** Forgets an agent that is gone for good. */
  forget({ incarnation }: End): void {
    if (this.#of(incarnation) !== null) this.#memory.put(key(incarnation), "");
    this.#stored.delete(incarnation);
  }

  /** Whether an agent dials a target, by the token that the Worker has verified and by what the agent says of its own rules. */
  reaches({ lanes, incarnation }: End, target: Target): Reaches {
    const attachment = [...lanes.values()][0]?.attachment;
    if (attachment === undefined) return { is: "unknown" };
    const judged = this.#cached.get(attachment) ?? new Map<string, Reaches>();
    this.#cached.set(attachment, judged);
    const text = formatTarget(target);
    const before = judged.get(text);
    if (before !== undefined) return before;
    const said = attachment.said === "stored" ? this.#of(incarnation) : (attachment.said ?? null);
    const rules = said === null ? null : parseRules(said);
    const answer = reaches({ targets: attachment.targets ?? EVERY_TARGET }, rules, target);
    if (judged.size >= MAX_CACHED_TARGETS) judged.clear();
    judged.set(text, answer);
    return answer;
  }

  #of(incarnation: string): RuleTexts | null {
    const held = this.#stored.get(incarnation);
    if (held !== undefined) return held;
    const text = this.#memory.get(key(incarnation)) ?? "";
    const said = text === "" ? null : (JSON.parse(text) as RuleTexts);
    this.#stored.set(incarnation, said);
    return said;
  }
}

/** Rules that this relay can't read are of a newer agent: nothing is known of it then. */
function parseRules(said: RuleTexts): ReportedRules {
  const [allow, deny] = [all(said.allow, parseTargetRule), all(said.deny, parseTargetRule)];
  return allow.ok && deny.ok ? { allow: allow.value, deny: deny.value } : null;
}

function key(incarnation: string): string {
  return `reach-${incarnation}`;
}
