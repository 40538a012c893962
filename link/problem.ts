/** The exit codes of the commands. Scripts depend on them. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  configuration: 3,
  token: 4,
  unreachable: 5,
  notReady: 6,
  denied: 7,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An error that is the user's to fix: a stable code, the cause, the fix, and the exit code of the command. */
export class Problem extends Error {
  readonly code: string;
  readonly fix: string;
  readonly exit: ExitCode;

  constructor(exit: ExitCode, code: string, cause: string, fix: string) {
    super(cause);
    this.name = "Problem";
    this.exit = exit;
    this.code = code;
    this.fix = fix;
  }

  static usage(code: string, cause: string, fix: string): Problem {
    return new Problem(EXIT.usage, code, cause, fix);
  }

  static configuration(code: string, cause: string, fix: string): Problem {
    return new Problem(EXIT.configuration, code, cause, fix);
  }
}
