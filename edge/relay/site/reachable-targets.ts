import { all } from "../../../shared/result.ts";
import { type Reachability, reaches, type ReportedRules } from "../../../shared/rule/target-policy.ts";
import { EVERY_TARGET, parseTargetRule } from "../../../shared/address/target-rule.ts";
import { formatTarget, type Target } from "../../../shared/address/target.ts";
import type { Attachment, RuleTexts } from "../lanes/attachment.ts";
import type { End } from "../lanes/lanes.ts";
import type { Memory } from "./memory.ts";

/** Length of rules that are kept in a socket's attachment, which holds 16,384 bytes in all. */
const MAX_ATTACHED_BYTES = 4_096;
/** Cached answers for each agent. */
const MAX_CACHED_TARGETS = 1_000;

/** Rules as an attachment holds them: as the agent reported them, or "stored" when they are too long for it. */
type ReportedOrStored = Attachment["said"];

/** Decides which targets agents may dial, by the targets of their tokens and the rules they have reported. Survives hibernation. */
export class ReachableTargets {
  readonly #memory: Pick<Memory, "get" | "put">;
  /** Cached answers by attachment and target, so that requests don't parse rules again. A changed attachment is a new object. */
  readonly #cached = new WeakMap<Attachment, Map<string, Reachability>>();
  /** Rules too long for an attachment, by incarnation; read from storage once. */
  readonly #stored = new Map<string, RuleTexts | null>();

  constructor(memory: Pick<Memory, "get" | "put">) {
    this.#memory = memory;
  }

  /** Stores the rules that an agent has reported, if they are long; returns what its lane's attachment keeps. */
  store(texts: RuleTexts | undefined, incarnation: string): ReportedOrStored {
    if (texts === undefined) return undefined;
    const text = JSON.stringify(texts);
    if (text.length <= MAX_ATTACHED_BYTES) return texts;
    if (JSON.stringify(this.#rulesOf(incarnation)) !== text) this.#memory.put(key(incarnation), text);
    this.#stored.set(incarnation, texts);
    return "stored";
  }

  /** Drops the stored rules of an agent that has left. */
  forget({ incarnation }: End): void {
    if (this.#rulesOf(incarnation) !== null) this.#memory.put(key(incarnation), "");
    this.#stored.delete(incarnation);
  }

  /** Whether an agent would dial a target, by the token that the Worker has verified and by the agent's own rules. */
  reaches({ lanes, incarnation }: End, target: Target): Reachability {
    const attachment = [...lanes.values()][0]?.attachment;
    if (attachment === undefined) return { is: "unknown" };
    const answers = this.#cached.get(attachment) ?? new Map<string, Reachability>();
    this.#cached.set(attachment, answers);
    const text = formatTarget(target);
    const cached = answers.get(text);
    if (cached !== undefined) return cached;
    const { said: reported } = attachment;
    const texts = reported === "stored" ? this.#rulesOf(incarnation) : (reported ?? null);
    const rules = texts === null ? null : parseRules(texts);
    const answer = reaches({ targets: attachment.targets ?? EVERY_TARGET }, rules, target);
    if (answers.size >= MAX_CACHED_TARGETS) answers.clear();
    answers.set(text, answer);
    return answer;
  }

  #rulesOf(incarnation: string): RuleTexts | null {
    const held = this.#stored.get(incarnation);
    if (held !== undefined) return held;
    const text = this.#memory.get(key(incarnation)) ?? "";
    const texts = text === "" ? null : (JSON.parse(text) as RuleTexts);
    this.#stored.set(incarnation, texts);
    return texts;
  }
}

/** Parses reported rules. Rules that this relay can't parse come from a newer agent and count as unknown: null. */
function parseRules(texts: RuleTexts): ReportedRules {
  const [allow, deny] = [all(texts.allow, parseTargetRule), all(texts.deny, parseTargetRule)];
  return allow.ok && deny.ok ? { allow: allow.value, deny: deny.value } : null;
}

function key(incarnation: string): string {
  return `reach-${incarnation}`;
}
