/** What is offered in a list while one types, of which keys or a finger take one. */
export abstract class Offer<T> {
  /** What begins with what was typed. */
  offered = $state.raw<T[]>([])
  /** The index of the one that Enter takes. */
  picked = $state(0)

  /** Puts it in the place of what was typed. */
  abstract take(one: T): void

  close(): void {
    this.offered = []
  }

  /** Handles keys while something is offered; true: the key was handled. */
  pressed(event: KeyboardEvent): boolean {
    const { key } = event
    const one = this.offered[this.picked]
    if (!one) return false
    const step = key === 'ArrowDown' ? 1 : key === 'ArrowUp' ? -1 : 0
    const count = this.offered.length
    if (step) this.picked = (this.picked + step + count) % count
    else if ((key === 'Enter' || key === 'Tab') && !event.shiftKey) this.take(one)
    else if (key === 'Escape') this.offered = []
    else return false
    event.preventDefault()
    event.stopPropagation()
    return true
  }
}
