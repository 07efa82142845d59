/** Lets the parts of the leading tab change `Live`, until the engine stops. */
import type { Live, Readable } from './app'
import type { Store } from './store'

export class LiveState implements Readable<Live> {
  private ended = false

  constructor(private readonly store: Store<Live>) {}

  get value(): Live {
    return this.store.value
  }

  subscribe(run: (value: Live) => void): () => void {
    return this.store.subscribe(run)
  }

  change(change: Partial<Live>): void {
    if (!this.ended) this.store.set({ ...this.value, ...change })
  }

  end(): void {
    this.ended = true
  }
}
