/** The exit codes of the program. */
export const exitCode = {
  /** Everything was proved. */
  proved: 0,
  /** An expectation failed. */
  failed: 1,
  /** Bad usage, or a source that is wrong. */
  usage: 2,
  /** This host cannot do it. */
  host: 3,
  /** The guest failed: a triple fault, an emulation failure, an exit nobody handles. */
  guest: 4,
  /** The deadline passed. */
  deadline: 124,
  /** Ctrl-C. */
  interrupted: 130,
  /** Nobody reads the output any more, as behind `| head`: what SIGPIPE would have given. */
  unread: 141,
} as const;
