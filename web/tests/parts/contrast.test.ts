/** What can be read and told apart, by the colours of both themes (WCAG 2.2: 1.4.3 and 1.4.11). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const css = readFileSync(join(import.meta.dirname, '../../src/styles/theme.css'), 'utf8')

function tokens(selector: string): Map<string, string> {
  const start = css.indexOf(`${selector} {`)
  const block = css.slice(start, css.indexOf('}', start))
  return new Map(
    [...block.matchAll(/--([\w-]+): (#[0-9a-f]{6})\b/g)].map((found) => [found[1] ?? '', found[2] ?? ''])
  )
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = parseInt(colour.slice(at, at + 2), 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}

/** Text, and what it stands on. */
const TEXTS = {
  ink: [
    'paper',
    'surface',
    'raised',
    'field',
    'hover',
    'selected',
    'mine',
    'theirs',
    'tint',
    'chat',
    'flash'
  ],
  soft: ['paper', 'surface', 'raised', 'field', 'hover', 'theirs'],
  accent: ['paper', 'surface', 'raised', 'tint', 'chat'],
  link: ['surface', 'theirs', 'mine'],
  danger: ['surface', 'raised', 'danger-tint', 'theirs', 'mine'],
  'on-accent': ['accent'],
  'on-badge': ['badge'],
  'on-note': ['note'],
  'on-mine-soft': ['mine']
}
/** Signs and the edges of what one types into, and what they stand on. */
const SIGNS = {
  edge: ['paper', 'surface', 'raised', 'field'],
  read: ['mine', 'surface'],
  accent: ['field', 'mine']
}

describe.each([
  ['light', ':root'],
  ['dark', ":root[data-theme='dark']"]
])('in %s colours', (_, selector) => {
  const colours = tokens(selector)
  const pairs = (table: Record<string, string[]>) =>
    Object.entries(table).flatMap(([name, grounds]) => grounds.map((ground) => [name, ground] as const))
  const between = (name: string, ground: string): number =>
    contrast(colours.get(name) ?? '', colours.get(ground) ?? '')

  test.each(pairs(TEXTS))('%s on %s can be read', (name, ground) => {
    expect(between(name, ground)).toBeGreaterThanOrEqual(4.5)
  })
  test.each(pairs(SIGNS))('%s on %s can be told from it', (name, ground) => {
    expect(between(name, ground)).toBeGreaterThanOrEqual(3)
  })
  test('the ticks of a read message differ from those of a delivered one by more than a shade', () => {
    const [read = 0, delivered = 0] = ['read', 'on-mine-soft'].map((name) => chroma(colours.get(name) ?? ''))
    expect(read - delivered).toBeGreaterThan(0.4)
  })
})

/** How colourful: 0 is grey. */
function chroma(colour: string): number {
  const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
  return Math.max(...parts) - Math.min(...parts)
}
