import { describe, expect, it } from 'vitest'
import { renditionsOf, needsStreams } from '../../src/media/video/plan'
import { Throughput } from '../../src/media/video/throughput'

const RATES = [250_000, 900_000, 2_200_000]

describe('the quality of a video', () => {
  it('begins low, and rises with what the connection gives', () => {
    const line = new Throughput()
    expect(line.choose(RATES, 64_000, 0, -1)).toBe(0)
    line.measured(100_000, 100) // 8 Mbit/s
    expect(line.choose(RATES, 64_000, 0, 0)).toBe(2)
  })

  it('falls when the connection gets slow, unless enough is buffered', () => {
    const line = new Throughput()
    line.rate = 2_500_000
    expect(line.choose(RATES, 64_000, 14, 2)).toBe(2)
    expect(line.choose(RATES, 64_000, 1, 2)).toBe(1)
    for (let at = 0; at < 20; at++) line.measured(100_000, 4000) // 200 kbit/s
    expect(line.choose(RATES, 64_000, 14, 2)).toBe(0)
  })

  it('is not judged by what is too small to be measured', () => {
    const line = new Throughput()
    line.measured(500, 1)
    expect(line.rate).toBeUndefined()
  })
})

describe('the renditions of a video', () => {
  const sizes = (...of: [number, number, number?]): string[] =>
    renditionsOf(...of).map(({ name, width, height }) => `${name} ${String(width)}x${String(height)}`)

  it('are those that its own size has something of, upright ones too', () => {
    expect(sizes(3840, 2160)).toEqual(['240 426x240', '480 854x480', '720 1280x720'])
    expect(sizes(1080, 1920)).toEqual(['240 240x426', '480 480x854', '720 720x1280'])
    expect(sizes(640, 360)).toEqual(['240 426x240', '360 640x360'])
    expect(sizes(320, 180)).toEqual(['180 320x180'])
    expect(sizes(501, 501)).toEqual(['240 240x240', '502 502x502'])
  })

  it('have even sides, whatever the source has, and names that streams may have', () => {
    for (let width = 1; width < 3000; width += 7)
      for (const one of renditionsOf(width, 1 + ((width * 13) % 2100))) {
        expect([one.width % 2, one.height % 2]).toEqual([0, 0])
        expect(one.name).toMatch(/^[0-9]{1,4}$/)
        expect(one.width * one.height).toBeGreaterThan(0)
      }
  })

  it('have no more bits than the source, and are left out of short videos', () => {
    expect(renditionsOf(1280, 720, 300_000).every(({ bitrate }) => bitrate <= 300_000)).toBe(true)
    expect([needsStreams(4, 9e6), needsStreams(60, 9e5), needsStreams(60, 9e6)]).toEqual([false, false, true])
  })
})
