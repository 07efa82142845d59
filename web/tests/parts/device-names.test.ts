import { expect, test } from 'vitest'
import { deviceNames } from '../../src/parts/device-names'
import type { Device } from '../../src/start/api'

const device = (id: string, name: string, software: string, day: number): Device => ({
  ...{ id, name, software, platform: '', created: `2026-11-${String(day)}T10:00:00Z`, last_seen: '' },
  ...{ online: false, current: false, omemo: [], app_password: '' }
})

test('no two devices in the list are called alike', () => {
  const devices = [
    device('c', 'Chrome, Linux', '', 21),
    device('a', 'Chrome, Linux', '', 19),
    device('b', 'Phone', '', 20),
    device('d', '', 'Chrome, Linux', 22),
    device('e', '', '', 23),
    device('f', '', '', 24)
  ]
  expect(Object.fromEntries(deviceNames(devices, 'Without a name'))).toEqual({
    ...{ a: 'Chrome, Linux', c: 'Chrome, Linux (2)', d: 'Chrome, Linux (3)' },
    ...{ b: 'Phone', e: 'Without a name', f: 'Without a name (2)' }
  })
})
