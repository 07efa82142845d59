/** A finger that stays where it is asks for the menu, as a mouse's second button does. */
import type { Attachment } from 'svelte/attachments'
import type { Place } from './Menu.svelte'

const LONG = 480
/** CSS pixels that a finger may tremble. */
const STEADY = 10
/** Milliseconds after the finger has gone up in which the browser still makes a tap of it. */
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
    /** What follows when the finger goes up is no tap, neither here nor on what has opened under it. */
    const swallow = (): void => {
      const heard = new AbortController()
      const { signal } = heard
      const click = (event: MouseEvent): void => {
        // What is tapped elsewhere is meant
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
