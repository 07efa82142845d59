import { expect, test } from 'vitest'
import { Viewport } from '../../src/chat/viewport.svelte'

/** As far as a viewport looks at it. */
interface Box {
  scrollHeight: number
  clientHeight: number
  scrollTop: number
}

function at(scrollTop: number): { view: Viewport; box: Box } {
  const box = {
    scrollHeight: 2000,
    clientHeight: 500,
    scrollTop,
    querySelectorAll: () => [],
    querySelector: () => null,
    getBoundingClientRect: () => ({ top: 0, bottom: 500 })
  }
  const view = new Viewport()
  view.box = box as unknown as HTMLElement
  view.measure()
  return { view, box }
}

test('whoever reads the newest message stays there when it grows, or the place for it shrinks', () => {
  const { view, box } = at(1500)
  expect(view.atEnd).toBe(true)
  // a reason for not being sent appears below it, and the browser tells of a scroll from before
  box.scrollHeight += 120
  view.measure()
  expect(view.atEnd).toBe(true)
  box.clientHeight -= 200
  view.measure()
  expect(view.atEnd).toBe(true)
})

test('whoever scrolls up is no longer at the end, also while something grows', () => {
  const { view, box } = at(1500)
  box.scrollTop = 1100
  view.measure()
  expect(view.atEnd).toBe(false)
  box.scrollTop = 1500
  view.measure()
  expect(view.atEnd).toBe(true)
  box.scrollHeight += 120
  box.scrollTop = 1300
  view.measure()
  expect(view.atEnd).toBe(false)
  // what grows does not take anybody back
  box.scrollHeight += 120
  view.measure()
  expect(view.atEnd).toBe(false)
})
