/**
 * The page's policy allows no WebAssembly. `long` (beneath libsignal's protobufs) tries it, does without where it is
 * not, and leaves an error in the console of everybody: so it does not try.
 */
import type { Plugin } from 'vite'

const FILE = /\/node_modules\/long\/.*\.js$/
const TRY = 'new WebAssembly.Instance('

export function withoutWebAssembly(): Plugin {
  let found = false
  return {
    name: 'kith-without-webassembly',
    apply: 'build',
    transform(code, id) {
      if (!FILE.test(id) || !code.includes(TRY)) return null
      found = true
      return { code: code.replace(TRY, 'undefined && new WebAssembly.Instance('), map: null }
    },
    buildEnd(error) {
      if (!error && !found) throw new Error('long does not try WebAssembly any more: build/policy.ts can go')
    }
  }
}
