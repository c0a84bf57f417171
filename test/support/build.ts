import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'

/**
 * Child processes and threads run from dist/, so what changed in src/ is compiled before the first test. Files are only
 * transpiled, each by itself, which takes a hundredth of a checked build; `npm run check` is what holds the types.
 */
export default function build(): void {
  const compilerOptions: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    verbatimModuleSyntax: true,
    isolatedModules: true,
    sourceMap: false,
  }
  for (const name of readdirSync('src', { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue
    const source = join('src', name)
    const target = join('dist', name.replace(/\.ts$/, '.js'))
    if (existsSync(target) && statSync(target).mtimeMs > statSync(source).mtimeMs) continue
    const { outputText } = ts.transpileModule(readFileSync(source, 'utf8'), { compilerOptions, fileName: source })
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, outputText)
  }
}
