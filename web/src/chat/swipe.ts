/** Swiping a message towards the end of its line replies to it. */
import type { Attachment } from 'svelte/attachments'

/** In CSS pixels: where a swipe is recognized, from where releasing counts, and how far the row follows. */
const BEGIN = 14
const ENOUGH = 56
const FAR = 72

export function swipe(onswipe: () => void): Attachment<HTMLElement> {
  return (element) => {
    let start: { id: number; x: number; y: number } | undefined
    let drawn = 0
    const forward = (): number => (getComputedStyle(element).direction === 'rtl' ? -1 : 1)
    const place = (by: number): void => {
      drawn = by
      element.style.transform = by ? `translateX(${String(by * forward())}px)` : ''
      element.classList.toggle('swiped', by > 0)
    }
    const down = (event: PointerEvent): void => {
      if (event.pointerType !== 'mouse' && event.isPrimary)
        start = { id: event.pointerId, x: event.clientX, y: event.clientY }
    }
    const move = (event: PointerEvent): void => {
      if (event.pointerId !== start?.id) return
      const by = (event.clientX - start.x) * forward()
      if (drawn === 0 && (by < BEGIN || by < Math.abs(event.clientY - start.y) * 2)) return
      place(Math.max(0, Math.min(FAR, by)))
    }
    const up = (event: PointerEvent): void => {
      if (event.pointerId !== start?.id) return
      start = undefined
      const enough = drawn >= ENOUGH && event.type === 'pointerup'
      place(0)
      if (enough) onswipe()
    }
    const events = { pointerdown: down, pointermove: move, pointerup: up, pointercancel: up }
    for (const [name, heard] of Object.entries(events)) element.addEventListener(name, heard as EventListener)
    return () => {
      for (const [name, heard] of Object.entries(events))
        element.removeEventListener(name, heard as EventListener)
    }
  }
}
