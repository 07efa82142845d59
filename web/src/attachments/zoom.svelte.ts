/** Zooming and moving a picture with fingers, mouse and wheel; swiping to the next one when it is not zoomed. */
import { SvelteMap } from 'svelte/reactivity'

const LARGEST = 8
/** CSS pixels from which a movement is one. */
const SWIPE = 60
const TAP = 8
const DOUBLE_MS = 280

export interface Gestures {
  /** To the next (1) or previous (-1) picture, in the direction of reading. */
  swipe: (by: number) => void
  /** It was thrown downwards. */
  down: () => void
  tap: () => void
}

interface Point {
  x: number
  y: number
}

export class Zoom {
  scale = $state(1)
  x = $state(0)
  y = $state(0)
  private readonly fingers = new SvelteMap<number, Point>()
  private start: Point = { x: 0, y: 0 }
  private moved = 0
  private tapped = 0
  private timer: ReturnType<typeof setTimeout> | undefined

  reset(): void {
    this.scale = 1
    this.x = this.y = 0
  }

  /** Makes it larger or smaller round a point, as seen from the middle of the stage. */
  by(factor: number, around: Point = { x: 0, y: 0 }): void {
    const scale = Math.min(LARGEST, Math.max(1, this.scale * factor))
    const real = scale / this.scale
    this.x = around.x - (around.x - this.x) * real
    this.y = around.y - (around.y - this.y) * real
    this.scale = scale
    if (scale === 1) this.x = this.y = 0
  }

  attach(on: Gestures) {
    return (stage: HTMLElement): (() => void) => {
      const fromMiddle = ({ clientX, clientY }: MouseEvent): Point => {
        const box = stage.getBoundingClientRect()
        return { x: clientX - box.left - box.width / 2, y: clientY - box.top - box.height / 2 }
      }
      const listeners: [string, (event: never) => void][] = [
        [
          'wheel',
          (event: WheelEvent) => {
            event.preventDefault()
            this.by(Math.exp(-event.deltaY / 300), fromMiddle(event))
          }
        ],
        [
          'pointerdown',
          (event: PointerEvent) => {
            this.down(event, stage, fromMiddle(event))
          }
        ],
        [
          'pointermove',
          (event: PointerEvent) => {
            this.move(event, fromMiddle(event))
          }
        ],
        [
          'pointerup',
          (event: PointerEvent) => {
            this.up(event, on, fromMiddle(event))
          }
        ],
        [
          'pointercancel',
          (event: PointerEvent) => {
            this.fingers.delete(event.pointerId)
          }
        ]
      ]
      for (const [name, listener] of listeners)
        stage.addEventListener(name, listener as EventListener, { passive: false })
      return () => {
        for (const [name, listener] of listeners) stage.removeEventListener(name, listener as EventListener)
      }
    }
  }

  private down(event: PointerEvent, stage: HTMLElement, at: Point): void {
    stage.setPointerCapture(event.pointerId)
    this.fingers.set(event.pointerId, at)
    if (this.fingers.size === 1) {
      this.start = at
      this.moved = 0
    } else this.moved = Infinity
  }

  private move(event: PointerEvent, at: Point): void {
    const before = this.fingers.get(event.pointerId)
    if (!before) return
    const others = [...this.fingers].filter(([id]) => id !== event.pointerId).map(([, point]) => point)
    this.fingers.set(event.pointerId, at)
    const [other] = others
    if (other) {
      const factor = distance(at, other) / Math.max(1, distance(before, other))
      this.by(factor, { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 })
      return
    }
    this.moved = Math.max(this.moved, distance(at, this.start))
    if (this.scale === 1) return
    this.x += at.x - before.x
    this.y += at.y - before.y
  }

  private up(event: PointerEvent, on: Gestures, at: Point): void {
    if (!this.fingers.delete(event.pointerId) || this.fingers.size) return
    const [dx, dy] = [at.x - this.start.x, at.y - this.start.y]
    if (this.moved < TAP) {
      this.tap(event.timeStamp, on, at)
      return
    }
    if (this.scale > 1 || this.moved === Infinity) return
    const reading = document.documentElement.dir === 'rtl' ? -1 : 1
    if (Math.abs(dx) > SWIPE && Math.abs(dx) > Math.abs(dy)) on.swipe(dx < 0 ? reading : -reading)
    else if (dy > 2 * SWIPE) on.down()
  }

  private tap(time: number, on: Gestures, at: Point): void {
    clearTimeout(this.timer)
    if (time - this.tapped < DOUBLE_MS) {
      this.tapped = 0
      if (this.scale > 1) this.reset()
      else this.by(2.5, at)
      return
    }
    this.tapped = time
    this.timer = setTimeout(on.tap, DOUBLE_MS)
  }
}

function distance(one: Point, other: Point): number {
  return Math.hypot(one.x - other.x, one.y - other.y)
}
