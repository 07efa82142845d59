/** A finger that stays where it is asks for the menu, as a mouse's second button does. */
import type { Attachment } from 'svelte/attachments'
import type { Place } from './Menu.svelte'

const LONG = 480
/** CSS pixels that a finger may tremble. */
const STEADY = 10

export function longPress(onpress: (at: Place) => void): Attachment<HTMLElement> {
  return (element) => {
    let timer = 0
    let start: Place = { x: 0, y: 0 }
    let pressed = false
    const stop = (): void => {
      window.clearTimeout(timer)
    }
    const down = (event: PointerEvent): void => {
      pressed = false
      if (event.pointerType === 'mouse') return
      start = { x: event.clientX, y: event.clientY }
      stop()
      timer = window.setTimeout(() => {
        pressed = true
        if ('vibrate' in navigator) navigator.vibrate(10)
        onpress(start)
      }, LONG)
    }
    const move = (event: PointerEvent): void => {
      if (Math.hypot(event.clientX - start.x, event.clientY - start.y) > STEADY) stop()
    }
    /** What follows when the finger goes up is no tap. */
    const click = (event: MouseEvent): void => {
      if (!pressed) return
      pressed = false
      event.preventDefault()
      event.stopPropagation()
    }
    element.addEventListener('pointerdown', down)
    element.addEventListener('pointermove', move)
    element.addEventListener('pointerup', stop)
    element.addEventListener('pointercancel', stop)
    element.addEventListener('click', click, true)
    return () => {
      stop()
      element.removeEventListener('pointerdown', down)
      element.removeEventListener('pointermove', move)
      element.removeEventListener('pointerup', stop)
      element.removeEventListener('pointercancel', stop)
      element.removeEventListener('click', click, true)
    }
  }
}
