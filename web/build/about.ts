/** What the app says of itself: its version and where its source is, from the project's one description. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const FILE = join(import.meta.dirname, '../../pyproject.toml')

/** For `define`; without the file, as when the folder was copied alone, nothing is said. */
export function about(): Record<string, string> {
  let text = ''
  try {
    text = readFileSync(FILE, 'utf8')
  } catch {
    console.warn('no pyproject.toml beside web/: the app has no version')
  }
  const version = /^version = "([^"]+)"/m.exec(text)?.[1] ?? ''
  const source = /^Source = "(https:[^"]+)"/m.exec(text)?.[1] ?? ''
  return { __KITH_VERSION__: JSON.stringify(version), __KITH_SOURCE__: JSON.stringify(source) }
}
