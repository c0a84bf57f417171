import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'

/**
 * Child processes and threads run from dist/, so what changed in src/ is compiled before the first test. Files are only
 * transpiled, each by itself, which takes a hundredth of a checked build; `npm run check` is what holds the types.
 */
export default function build(): void {
  const { config } = ts.readConfigFile('tsconfig.json', ts.sys.readFile) as { config: { compilerOptions: object } }
  const { options } = ts.convertCompilerOptionsFromJson({ ...config.compilerOptions, noEmit: false, sourceMap: true }, '.')
  // With NodeNext a single file, which has no package.json beside it, would be taken for CommonJS.
  Object.assign(options, { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler })
  for (const name of readdirSync('src', { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue
    const source = join('src', name)
    const target = join('dist', name.replace(/\.ts$/, '.js'))
    if (existsSync(target) && statSync(target).mtimeMs > statSync(source).mtimeMs) continue
    const { outputText } = ts.transpileModule(readFileSync(source, 'utf8'), { compilerOptions: options, fileName: source })
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, outputText)
  }
}
