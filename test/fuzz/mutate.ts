/** Input made of input: the same for the same seed. */

/** The next number below `below`. */
export type Random = (below: number) => number;

/** Numbers of a seed (mulberry32): what failed must fail again. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const MOST = 4_000;

/** One of the inputs, changed a few times, or a few words in a row. */
export function mutate(inputs: readonly string[], words: readonly string[], random: Random): string {
  let text = inputs.length === 0 || random(8) === 0 ? "" : pick(inputs, random);
  for (let left = 1 + random(6); left > 0; left -= 1) text = changed(text, inputs, words, random);
  return text.slice(0, MOST);
}

function changed(text: string, inputs: readonly string[], words: readonly string[], random: Random): string {
  const at = random(text.length + 1);
  const to = Math.min(text.length, at + 1 + random(8));
  switch (random(8)) {
    case 0:
      return text.slice(0, at) + text.slice(to);
    case 1:
      return text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at);
    case 2:
      return (
        text.slice(0, at) + String.fromCharCode((text.charCodeAt(at) || 0) ^ (1 << random(8))) + text.slice(at + 1)
      );
    case 3:
      return text.slice(0, at) + text.slice(at, to) + text.slice(at);
    case 4:
      return text.slice(0, at) + pick([...inputs, ""], random).slice(random(20));
    case 5:
      return (
        text.slice(0, at) +
        String.fromCharCode(pick([0, 0xff, 0x7f, 0x80, 0x202e, 0xd800, 0x3002, 0xff0e], random)) +
        text.slice(at)
      );
    default:
      return text.slice(0, at) + pick(words, random) + text.slice(at + random(2));
  }
}

function pick<T>(from: readonly T[], random: Random): T {
  return from[random(from.length)] as T;
}
