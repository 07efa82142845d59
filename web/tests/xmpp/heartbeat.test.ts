import { describe, expect, it } from 'vitest'
import { Heartbeat } from '../../src/xmpp/heartbeat'

/** What a heartbeat asks and loses within so many hours, on a network that forgets after so many seconds. */
function live(
  heartbeat: Heartbeat,
  forgets: number,
  hours: number,
  watched = false
): { asked: number; lost: number } {
  let passed = 0
  let asked = 0
  let lost = 0
  while (passed < hours * 3_600_000) {
    const silence = heartbeat.after(watched)
    passed += silence
    asked++
    if (silence < forgets * 1000) heartbeat.answered(silence)
    else {
      lost++
      heartbeat.lost(silence)
    }
  }
  return { asked, lost }
}

describe('the pause between signs of life', () => {
  it('grows on a network that keeps silent connections', () => {
    const heartbeat = new Heartbeat()
    live(heartbeat, 3600, 1)
    expect(live(heartbeat, 3600, 1)).toEqual({ asked: 15, lost: 0 })
  })

  it('stays below what the network keeps, and tries seldom whether that is more now', () => {
    for (const forgets of [40, 61, 100, 200]) {
      const heartbeat = new Heartbeat()
      live(heartbeat, forgets, 1)
      const { lost } = live(heartbeat, forgets, 10)
      expect(lost).toBeLessThanOrEqual(60)
      expect(heartbeat.after(false)).toBeLessThan(forgets * 1500)
    }
  })

  it('recovers on a better network', () => {
    const heartbeat = new Heartbeat()
    live(heartbeat, 35, 1)
    live(heartbeat, 3600, 12)
    expect(heartbeat.after(false)).toBe(240_000)
  })

  it('stays short while somebody looks at the app', () => {
    const heartbeat = new Heartbeat()
    live(heartbeat, 3600, 1)
    expect(heartbeat.after(true)).toBe(45_000)
  })

  it('learns nothing from answers after a short silence, nor from losses amid traffic', () => {
    const heartbeat = new Heartbeat()
    for (let times = 0; times < 10; times++) heartbeat.answered(1000)
    heartbeat.lost(1000)
    expect(heartbeat.after(false)).toBe(45_000)
  })
})
