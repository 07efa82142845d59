/** The stretch of a scrolled list that can be seen. Rows are known by their `data-key`. */

/** CSS pixels from the end at which one still counts as being there. */
const AT_END = 80
/** Milliseconds for which a row that was gone to is marked. */
const FLASH = 1600

interface Place {
  key: string
  /** CSS pixels from the upper edge. */
  offset: number
}

export class Viewport {
  box = $state<HTMLElement>()
  atEnd = $state(true)
  /** Key of the row that was just gone to. */
  flashed = $state('')
  #flashing: ReturnType<typeof setTimeout> | undefined
  /** Where one was when that was last measured. */
  #place: Place | undefined
  /** What the heights were then, and how far it was scrolled. */
  #before = { scrollHeight: 0, clientHeight: 0, scrollTop: 0 }
  /** It was scrolled elsewhere since, and not by a person. */
  #went = false

  /** Key of the topmost row that could be seen when that was last measured. */
  get topKey(): string | undefined {
    return this.#place?.key
  }

  rows(): HTMLElement[] {
    return [...(this.box?.querySelectorAll<HTMLElement>('[data-key]') ?? [])]
  }

  row(key: string): HTMLElement | null {
    return this.box?.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`) ?? null
  }

  /** Whether it has a place on the screen: a pane that is not shown has no height, and nothing in it is seen. */
  get visible(): boolean {
    return (this.box?.clientHeight ?? 0) > 0
  }

  /**
   * Calls back when the list or its box has another size and can be seen; `again`: it could not be seen before. Returns how to
   * stop.
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

  /** CSS pixels between what can be seen and the end. */
  get below(): number {
    return this.box ? this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight : 0
  }

  measure(): void {
    if (!this.box) return
    const { scrollHeight, clientHeight, scrollTop } = this.box
    const before = this.#before
    // What grows is heard of before its new size is: whoever was at the end is still there, and is brought back to it
    const grew = scrollHeight !== before.scrollHeight || clientHeight !== before.clientHeight
    const stays = this.atEnd && grew && !this.#went && scrollTop >= before.scrollTop - 1
    this.atEnd = stays || this.below < AT_END
    this.#before = { scrollHeight, clientHeight, scrollTop }
    this.#went = false
    this.#place = this.#top()
  }

  /** Puts what was seen last where it was, after the pane was not shown: some browsers forget how far one has scrolled. */
  restore(): void {
    if (this.#place) this.#put(this.#place)
  }

  toEnd(): void {
    if (this.box && this.visible) this.box.scrollTop = this.box.scrollHeight
  }

  /** Scrolls to a row; `flash`: to the middle, and marks it for a moment. */
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

  /** Remembers where the topmost row stands; the function that comes back puts it there again. */
  hold(): () => void {
    const place = this.#top()
    return () => {
      if (place) this.#put(place)
    }
  }

  /** The topmost row that can be seen, and how far it stands below the upper edge. */
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

  /** The last row that can be seen whole. */
  lastSeen(): HTMLElement | undefined {
    if (!this.box) return undefined
    const bottom = this.box.getBoundingClientRect().bottom
    return this.rows().findLast((one) => one.getBoundingClientRect().bottom <= bottom + 4)
  }
}
