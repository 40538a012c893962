/** Something in a database file that SQLite would not accept; `message` says what, for people. */
export class Damage extends Error {
  /** Whether the message says which page it is about. */
  readonly isPlaced: boolean;

  constructor(message: string, isPlaced = false) {
    super(message);
    this.isPlaced = isPlaced;
  }
}
