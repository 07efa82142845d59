/** The day of the messages that one scrolls through: shown while one scrolls, unless it can be read between the messages. */
import type { Moment } from '../local/types'
import { day } from '../parts/time'
import type { Viewport } from './viewport.svelte'

/** Milliseconds after scrolling until the day is shown no longer. */
const REST_MS = 1000
/** CSS pixels from the upper edge that the day covers. */
const COVERED = 44

export class ScrolledDay {
  text = $state('')
  shown = $state(false)
  private resting: ReturnType<typeof setTimeout> | undefined

  /** `at`: when the topmost message was sent; undefined: no day is to be shown. Days between messages have the class `day`. */
  scrolled(view: Viewport, at: Moment | undefined): void {
    clearTimeout(this.resting)
    this.resting = setTimeout(() => {
      this.shown = false
    }, REST_MS)
    if (at === undefined) return
    const edge = view.box?.getBoundingClientRect().top ?? 0
    const labels = [...(view.box?.querySelectorAll('.day') ?? [])]
    const text = day(at)
    // one that can be seen says the same, and one near the edge would lie below it
    const covered = labels.some((one) => {
      const place = one.getBoundingClientRect().top - edge
      return Math.abs(place) < COVERED || (place > 0 && one.textContent === text)
    })
    this.text = text
    this.shown = !covered
  }
}
