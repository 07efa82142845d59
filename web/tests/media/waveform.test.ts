import { base64 } from '@scure/base'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { timeOf } from '../../src/attachments/voice/times'
import { barsOf, levelOf, waveformOf } from '../../src/media/voice/waveform'

describe('the waveform of a voice message', () => {
  it('has up to 64 numbers from 0 to 31, whatever was recorded', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ min: 0, max: 1, noNaN: true }), { maxLength: 5000 }), (levels) => {
        const bars = base64.decode(waveformOf(levels))
        expect(bars.length).toBe(Math.min(64, levels.length))
        expect(bars.every((one) => one <= 31)).toBe(true)
      })
    )
  })

  it('shows where it was loud, also in a quiet recording', () => {
    const quiet = Array.from({ length: 640 }, (_, at) => (at >= 320 ? 0.2 : 0))
    const bars = base64.decode(waveformOf(quiet))
    expect([bars[0], bars[31], bars[32], bars[63]]).toEqual([0, 0, 31, 31])
    expect(barsOf(waveformOf(quiet), 4)).toEqual([0, 0, 1, 1])
  })

  it('of silence is flat, and so is a missing one', () => {
    expect([...base64.decode(waveformOf([0, 0, 0]))]).toEqual([0, 0, 0])
    expect(barsOf(undefined, 3)).toEqual([0, 0, 0])
    expect(barsOf('', 2)).toEqual([0, 0])
  })

  it('comes from samples: silence is 0, full loudness 1', () => {
    expect(levelOf(new Float32Array(512))).toBe(0)
    expect(levelOf(new Float32Array(512).fill(1))).toBe(1)
    expect(levelOf(Float32Array.from({ length: 512 }, (_, at) => 0.03 * Math.sin(at)))).toBeGreaterThan(0.2)
  })
})

describe('the length of a sound', () => {
  it('is minutes and seconds', () => {
    expect([0, 999, 61_000, 599_600, 3_600_000, 36_061_000].map(timeOf)).toEqual([
      '0:00',
      '0:01',
      '1:01',
      '10:00',
      '1:00:00',
      '10:01:01'
    ])
  })
})
