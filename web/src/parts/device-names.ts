/** The names of devices. Several devices with the same name are numbered in the order of their logins. */
import type { Device } from '../start/api'

/** By the device's id. `unnamed`: for devices that have sent neither a name nor a software. */
export function deviceNames(devices: readonly Device[], unnamed: string): Map<string, string> {
  const found = new Map<string, string>()
  const seen = new Map<string, number>()
  const byAge = [...devices].sort((one, other) => Date.parse(one.created) - Date.parse(other.created))
  for (const { id, name, software } of byAge) {
    const called = name || software || unnamed
    const count = (seen.get(called) ?? 0) + 1
    seen.set(called, count)
    found.set(id, count === 1 ? called : `${called} (${String(count)})`)
  }
  return found
}
