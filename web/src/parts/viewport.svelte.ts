/** The stretch of a scrolled list that can be seen. Rows are known by their `data-key`. */

/** CSS pixels from the end at which one still counts as being there. */
const AT_END = 80
/** Milliseconds for which a row that was gone to is marked. */
const FLASH = 1600

export class Viewport {
  box = $state<HTMLElement>()
  atEnd = $state(true)
  /** Key of the row that was just gone to. */
  flashed = $state('')

  rows(): HTMLElement[] {
    return [...(this.box?.querySelectorAll<HTMLElement>('[data-key]') ?? [])]
  }

  row(key: string): HTMLElement | null {
    return this.box?.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`) ?? null
  }

  /** CSS pixels between what can be seen and the end. */
  get below(): number {
    return this.box ? this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight : 0
  }

  measure(): void {
    this.atEnd = this.below < AT_END
  }

  toEnd(): void {
    if (this.box) this.box.scrollTop = this.box.scrollHeight
  }

  /** Scrolls to a row; `flash`: to the middle, and marks it for a moment. */
  show(key: string, flash: boolean): void {
    const found = this.row(key)
    if (!found || !this.box) return
    const middle = (this.box.clientHeight - found.offsetHeight) / 2
    const place = found.getBoundingClientRect().top - this.box.getBoundingClientRect().top
    this.box.scrollTop += place - Math.max(60, flash ? middle : 90)
    if (!flash) return
    this.flashed = key
    setTimeout(() => {
      this.flashed = ''
    }, FLASH)
  }

  /** Remembers where the topmost row stands; the function that comes back puts it there again. */
  hold(): () => void {
    const box = this.box
    if (!box) return () => undefined
    const top = box.getBoundingClientRect().top
    const anchor = this.rows().find((one) => one.getBoundingClientRect().bottom > top)
    const offset = anchor?.getBoundingClientRect().top ?? 0
    return () => {
      if (anchor?.isConnected) box.scrollTop += anchor.getBoundingClientRect().top - offset
    }
  }

  /** The last row that can be seen whole. */
  lastSeen(): HTMLElement | undefined {
    if (!this.box) return undefined
    const bottom = this.box.getBoundingClientRect().bottom
    return this.rows().findLast((one) => one.getBoundingClientRect().bottom <= bottom + 4)
  }
}
