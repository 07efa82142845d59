/** The day of the topmost messages: shown while scrolling, unless the label of that day is visible. */
import type { Moment } from '../local/types'
import { day } from '../parts/time'
import type { Viewport } from './viewport.svelte'

/** Milliseconds after scrolling until it is hidden. */
const REST_MS = 1000
/** CSS pixels at the upper edge that it covers. */
const COVERED = 44

export class ScrolledDay {
  text = $state('')
  shown = $state(false)
  private resting: ReturnType<typeof setTimeout> | undefined

  /** `at`: the time of the topmost message; undefined: nothing is shown. The labels of days have the class `day`. */
  scrolled(view: Viewport, at: Moment | undefined): void {
    clearTimeout(this.resting)
    this.resting = setTimeout(() => {
      this.shown = false
    }, REST_MS)
    if (at === undefined) return
    const edge = view.box?.getBoundingClientRect().top ?? 0
    const labels = [...(view.box?.querySelectorAll('.day') ?? [])]
    const text = day(at)
    // a visible label says the same, and one near the edge would be covered
    const covered = labels.some((one) => {
      const place = one.getBoundingClientRect().top - edge
      return Math.abs(place) < COVERED || (place > 0 && one.textContent === text)
    })
    this.text = text
    this.shown = !covered
  }
}
