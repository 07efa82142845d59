/** An observable value. Subscribers are called at once and on every change. */
import type { Readable } from './app'

export class Store<T> implements Readable<T> {
  private readonly followers = new Set<(value: T) => void>()

  constructor(public value: T) {}

  subscribe(run: (value: T) => void): () => void {
    this.followers.add(run)
    run(this.value)
    return () => this.followers.delete(run)
  }

  set(value: T): void {
    this.value = value
    for (const run of [...this.followers]) run(value)
  }
}
