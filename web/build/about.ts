/** The app's version, and where its source code is, from the Python project that it belongs to. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const PROJECT = join(import.meta.dirname, '../..')

/** For Vite's `define`. Values are empty if the files are missing, for example because web/ was copied alone. */
export function about(): Record<string, string> {
  const version = /^__version__ = "([^"]+)"/m.exec(read('src/kith/__init__.py'))?.[1] ?? ''
  const source = /^Source = "(https:[^"]+)"/m.exec(read('pyproject.toml'))?.[1] ?? ''
  return { __KITH_VERSION__: JSON.stringify(version), __KITH_SOURCE__: JSON.stringify(source) }
}

function read(file: string): string {
  try {
    return readFileSync(join(PROJECT, file), 'utf8')
  } catch {
    console.warn(`no ${file} beside web/: the app does not know all about itself`)
    return ''
  }
}
