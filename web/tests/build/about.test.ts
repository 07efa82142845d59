import { expect, test } from 'vitest'
import { about } from '../../build/about'

test('the app knows its version', () => {
  expect(JSON.parse(about().__KITH_VERSION__ ?? '')).toMatch(/^\d+\.\d+\.\d+/)
})
