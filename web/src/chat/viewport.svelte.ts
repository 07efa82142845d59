/** The visible part of a scrolled list. Rows are identified by their `data-key`. */

/** CSS pixels from the end at which the position still counts as the end. */
const AT_END = 80
/** Milliseconds for which a row is flashed. */
const FLASH = 1600

interface Place {
  key: string
  /** CSS pixels below the upper edge. */
  offset: number
}

export class Viewport {
  box = $state<HTMLElement>()
  atEnd = $state(true)
  /** The key of the row that is flashed. */
  flashed = $state('')
  #flashing: ReturnType<typeof setTimeout> | undefined
  /** The position when it was last measured. */
  #place: Place | undefined
  /** The sizes and the scroll offset at that time. */
  #before = { scrollHeight: 0, clientHeight: 0, scrollTop: 0 }
  /** It was scrolled by the program since then. */
  #went = false

  /** The key of the topmost visible row when it was last measured. */
  get topKey(): string | undefined {
    return this.#place?.key
  }

  rows(): HTMLElement[] {
    return [...(this.box?.querySelectorAll<HTMLElement>('[data-key]') ?? [])]
  }

  row(key: string): HTMLElement | null {
    return this.box?.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`) ?? null
  }

  /** Whether it is on the screen: a hidden pane has no height, and nothing in it is seen. */
  get visible(): boolean {
    return (this.box?.clientHeight ?? 0) > 0
  }

  /**
   * Calls back when the list or its box changes size and is visible; `again`: it was hidden before. Returns a function
   * that stops it.
   */
  onResize(resized: (again: boolean) => void): () => void {
    const { box } = this
    if (!box) return () => undefined
    let shown = this.visible
    const watch = new ResizeObserver(() => {
      const again = this.visible && !shown
      shown = this.visible
      if (shown) resized(again)
    })
    watch.observe(box)
    if (box.firstElementChild) watch.observe(box.firstElementChild)
    return () => {
      watch.disconnect()
    }
  }

  /** CSS pixels between the visible part and the end. */
  get below(): number {
    return this.box ? this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight : 0
  }

  measure(): void {
    if (!this.box) return
    const { scrollHeight, clientHeight, scrollTop } = this.box
    const before = this.#before
    // Growth is reported before its size is known: if the position was the end, it still counts as that, and is moved there
    const grew = scrollHeight !== before.scrollHeight || clientHeight !== before.clientHeight
    const stays = this.atEnd && grew && !this.#went && scrollTop >= before.scrollTop - 1
    this.atEnd = stays || this.below < AT_END
    this.#before = { scrollHeight, clientHeight, scrollTop }
    this.#went = false
    this.#place = this.#top()
  }

  /** Restores the position after the pane was hidden, since some browsers lose it. */
  restore(): void {
    if (this.#place) this.#put(this.#place)
  }

  toEnd(): void {
    if (this.box && this.visible) this.box.scrollTop = this.box.scrollHeight
  }

  /** Scrolls to a row. `flash`: to the middle, and flashes it. */
  show(key: string, flash: boolean): void {
    const found = this.row(key)
    if (!found || !this.box || !this.visible) return
    const middle = (this.box.clientHeight - found.offsetHeight) / 2
    const place = found.getBoundingClientRect().top - this.box.getBoundingClientRect().top
    this.box.scrollTop += place - Math.max(60, flash ? middle : 90)
    this.#went = true
    if (!flash) return
    this.flashed = key
    clearTimeout(this.#flashing)
    this.#flashing = setTimeout(() => {
      this.flashed = ''
    }, FLASH)
  }

  /** Remembers the topmost row. The returned function scrolls so that it is at the same place again. */
  hold(): () => void {
    const place = this.#top()
    return () => {
      if (place) this.#put(place)
    }
  }

  /** The topmost visible row, and its distance from the upper edge. */
  #top(): Place | undefined {
    const edge = this.box?.getBoundingClientRect().top ?? 0
    const row = this.rows().find((one) => one.getBoundingClientRect().bottom > edge)
    return row && { key: row.dataset['key'] ?? '', offset: row.getBoundingClientRect().top - edge }
  }

  #put({ key, offset }: Place): void {
    const row = this.row(key)
    if (!this.box || !row || !this.visible) return
    this.box.scrollTop += row.getBoundingClientRect().top - this.box.getBoundingClientRect().top - offset
    this.#went = true
  }

  /** The last row that is completely visible. */
  lastSeen(): HTMLElement | undefined {
    if (!this.box) return undefined
    const bottom = this.box.getBoundingClientRect().bottom
    return this.rows().findLast((one) => one.getBoundingClientRect().bottom <= bottom + 4)
  }
}
