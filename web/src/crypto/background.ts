/** Work that nobody waits for. If it fails, it is done again at the next login. */
export class Background {
  private readonly running = new Set<Promise<unknown>>()

  run(work: Promise<unknown>): void {
    const done = work
      .catch(() => undefined)
      .finally(() => {
        this.running.delete(done)
      })
    this.running.add(done)
  }

  get busy(): boolean {
    return this.running.size > 0
  }

  /** Resolves when everything that runs now has ended. */
  async idle(): Promise<void> {
    await Promise.all(this.running)
  }
}
