/** A guest that cannot be run as it was given: its file, its size or its settings are wrong. */
export class GuestError extends Error {
  /** `GuestError` */
  override readonly name = "GuestError";

  /**
   * The error of one guest.
   *
   * @param guest The guest's name: a file, or what stands for one.
   * @param reason What is wrong and what would be right, without a final period.
   * @param options The error behind it, if any.
   */
  constructor(guest: string, reason: string, options: ErrorOptions = {}) {
    super(`${guest}: ${reason}`, options);
  }
}
