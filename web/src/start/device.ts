/** How this browser describes itself when it logs in. */
import type { NewDevice } from './api'

const BROWSERS: [RegExp, string][] = [
  [/Edg\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/SamsungBrowser\//, 'Samsung Internet'],
  [/Firefox\/|FxiOS\//, 'Firefox'],
  [/Chrome\/|CriOS\//, 'Chrome'],
  [/Safari\//, 'Safari']
]
const SYSTEMS: [RegExp, string][] = [
  [/Android/, 'Android'],
  [/iPhone|iPad|iPod/, 'iOS'],
  [/CrOS/, 'ChromeOS'],
  [/Windows/, 'Windows'],
  [/Mac OS X/, 'macOS'],
  [/Linux/, 'Linux']
]

const known = (table: [RegExp, string][], text: string): string =>
  table.find(([pattern]) => pattern.test(text))?.[1] ?? ''

export function thisDevice(agent = navigator.userAgent): NewDevice {
  const browser = known(BROWSERS, agent)
  const system = known(SYSTEMS, agent)
  return {
    agent: crypto.randomUUID(),
    name: [browser, system].filter(Boolean).join(', ') || 'Web',
    software: 'Kith',
    platform: system || 'Web',
    mechanism: 'HT-SHA-256-NONE'
  }
}
