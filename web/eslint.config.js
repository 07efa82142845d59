import js from '@eslint/js'
import { createNodeResolver, importX } from 'eslint-plugin-import-x'
import svelte from 'eslint-plugin-svelte'
import globals from 'globals'
import ts from 'typescript-eslint'
import { ZONES } from './rooms.js'
import svelteConfig from './svelte.config.js'

export default ts.config(
  { ignores: ['dist/', 'node_modules/'] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  { languageOptions: { globals: { ...globals.browser, ...globals.node } } },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } }
  },
  {
    files: ['src/**'],
    plugins: { 'import-x': importX },
    settings: {
      'import-x/resolver-next': [createNodeResolver({ extensions: ['.ts', '.svelte.ts', '.svelte', '.js'] })]
    },
    rules: { 'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones: ZONES }] }
  },
  {
    files: ['src/**'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...['atob', 'btoa'].map((name) => ({ name, message: 'Bytes as text: @scure/base, local/bytes.' }))
      ]
    }
  },
  { rules: { 'svelte/no-at-html-tags': 'error', 'no-undef': 'off' } },
  {
    files: ['src/**'],
    ignores: ['src/local/device-time.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: "MemberExpression[object.name='Date'][property.name='now']",
          message:
            "Messages are dated by the server's clock: App.now, or performance.now for how long something takes."
        },
        {
          selector: "NewExpression[callee.name='Date'][arguments.length=0]",
          message: "Messages are dated by the server's clock: new Date(app.now())."
        }
      ]
    }
  }
)
