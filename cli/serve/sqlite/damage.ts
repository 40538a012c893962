/** An error in a database file that SQLite would not accept; `message` describes it for people. */
export class Damage extends Error {
  /** Whether the message names the page. */
  readonly isPlaced: boolean;

  constructor(message: string, isPlaced = false) {
    super(message);
    this.isPlaced = isPlaced;
  }
}
