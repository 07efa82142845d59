/** Selected messages or chats, by their keys. */
import { SvelteSet } from 'svelte/reactivity'

export class Selection {
  /** Whether a click selects. */
  active = $state(false)
  readonly keys = new SvelteSet<string>()

  start(key?: string): void {
    this.active = true
    if (key !== undefined) this.keys.add(key)
  }

  toggle(key: string): void {
    if (!this.keys.delete(key)) this.keys.add(key)
    if (this.keys.size === 0) this.active = false
  }

  stop(): void {
    this.active = false
    this.keys.clear()
  }
}
