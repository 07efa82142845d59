/** A long press opens the menu, as a right click does. */
import type { Attachment } from 'svelte/attachments'
import type { Place } from './Menu.svelte'

const LONG = 480
/** CSS pixels that the finger may move. */
const STEADY = 10
/** Milliseconds after the finger is lifted in which the browser may still report a click. */
const AFTER = 60

export function longPress(onpress: (at: Place) => void): Attachment<HTMLElement> {
  return (element) => {
    let timer = 0
    let start: Place = { x: 0, y: 0 }
    const stop = (): void => {
      window.clearTimeout(timer)
    }
    const down = (event: PointerEvent): void => {
      if (event.pointerType === 'mouse') return
      start = { x: event.clientX, y: event.clientY }
      stop()
      timer = window.setTimeout(() => {
        swallow()
        if ('vibrate' in navigator) navigator.vibrate(10)
        onpress(start)
      }, LONG)
    }
    const move = (event: PointerEvent): void => {
      if (Math.hypot(event.clientX - start.x, event.clientY - start.y) > STEADY) stop()
    }
    /** Suppresses the click that follows a long press, here and on what has opened under the finger. */
    const swallow = (): void => {
      const heard = new AbortController()
      const { signal } = heard
      const click = (event: MouseEvent): void => {
        // A click elsewhere is intended
        if (Math.hypot(event.clientX - start.x, event.clientY - start.y) > 2 * STEADY) return
        event.preventDefault()
        event.stopPropagation()
        heard.abort()
      }
      const end = (): void => {
        setTimeout(() => {
          heard.abort()
        }, AFTER)
      }
      addEventListener('click', click, { capture: true, signal })
      addEventListener('pointerup', end, { capture: true, signal })
      addEventListener('pointercancel', end, { capture: true, signal })
      addEventListener('touchend', end, { capture: true, signal })
    }
    element.addEventListener('pointerdown', down)
    element.addEventListener('pointermove', move)
    element.addEventListener('pointerup', stop)
    element.addEventListener('pointercancel', stop)
    return () => {
      stop()
      element.removeEventListener('pointerdown', down)
      element.removeEventListener('pointermove', move)
      element.removeEventListener('pointerup', stop)
      element.removeEventListener('pointercancel', stop)
    }
  }
}
