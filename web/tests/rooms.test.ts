/** What may import what is held by tools: here it is shown that they see it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cruise, type IConfiguration, type ICruiseResult } from 'dependency-cruiser'
import { ESLint } from 'eslint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..')

describe('an import from one room into another', () => {
  const eslint = new ESLint({ cwd: ROOT })

  /** What ESLint says of the imports of a file, if there were such a one. */
  async function faults(filePath: string, code: string): Promise<string[]> {
    const [result] = await eslint.lintText(code, { filePath: join(ROOT, filePath) })
    const all = result?.messages ?? []
    expect(all.filter(({ fatal }) => fatal)).toEqual([])
    return all.filter(({ ruleId }) => ruleId === 'import-x/no-restricted-paths').map(({ message }) => message)
  }

  it.each([
    ['src/local/x.ts', "import type { Envelope } from '../crypto/crypto'", 'local/ may import no other room'],
    ['src/crypto/x.ts', "export { parse } from '../xmpp/xml'", 'crypto/ may import local'],
    ['src/history/x.ts', "import type { Live } from '../sync/app'", 'history/ may import crypto, local'],
    ['src/xmpp/x.ts', "await import('../sync/engine')", 'xmpp/ may import crypto, local'],
    ['src/start/x.ts', "import { t } from '../strings/strings.svelte'", 'start/ may import local'],
    ['src/parts/x.ts', "import { group } from '../chat/timeline'", 'parts/ may import'],
    ['src/chat/x.ts', "import ChatRow from '../chats/ChatRow.svelte'", 'chat/ may import'],
    [
      'src/chat/x.svelte',
      `<script lang="ts">
  import { parse } from '../xmpp/xml'
</script>
`,
      'chat/ may import'
    ],
    ['src/admin/x.ts', "import { Engine } from '../sync/engine'", 'admin/ may import'],
    ['src/chat/x.ts', "import { desk } from '../admin/desk.svelte'", 'chat/ may import'],
    ['src/screens/x.ts', "import { Engine } from '../sync/engine'", 'only ./app.ts'],
    ['src/screens/settings/x.ts', "import { Omemo } from '../../crypto/omemo'", 'only ./crypto.ts']
  ])('%s: %s is refused', async (file, code, message) => {
    const found = await faults(file, code)
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(message)
  })

  it('is allowed from a room above into one below', async () => {
    expect(await faults('src/sync/x.ts', "import { parse } from '../xmpp/xml'")).toEqual([])
    expect(await faults('src/screens/x.ts', "import type { App } from '../sync/app'")).toEqual([])
    expect(await faults('src/main.ts', "import { openApp } from './sync/open'")).toEqual([])
  })
})

describe('files that import each other', async () => {
  const config: unknown = await import(join(ROOT, '.dependency-cruiser.js'))
  const { default: cruiser } = config as { default: IConfiguration }
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(ROOT, 'tests', '.circle-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  async function circles(): Promise<string[]> {
    const { output } = await cruise([folder], {
      ...cruiser.options,
      ruleSet: { forbidden: cruiser.forbidden ?? [] },
      validate: true,
      baseDir: ROOT
    } as Parameters<typeof cruise>[1])
    return (output as ICruiseResult).summary.violations.map(({ rule }) => rule.name)
  }

  it('are found, types included', async () => {
    await writeFile(join(folder, 'one.ts'), "import type { Two } from './two'\nexport type One = Two | 1\n")
    await writeFile(join(folder, 'two.ts'), 'export type Two = 2\n')
    expect(await circles()).toEqual([])
    await writeFile(join(folder, 'two.ts'), "import type { One } from './one'\nexport type Two = One | 2\n")
    expect(await circles()).toContain('no-circular')
  })
})
