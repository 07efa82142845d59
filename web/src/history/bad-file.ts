/** Why a backup file can't be opened; apart from what opens one, which is large and seldom needed. */
export type FileProblem = 'not-a-backup' | 'wrong-key' | 'damaged'

/** A file that can't be opened, or not to its end. */
export class BadFile extends Error {
  constructor(readonly problem: FileProblem) {
    super(problem)
  }
}
