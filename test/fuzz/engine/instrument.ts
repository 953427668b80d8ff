import ts from 'typescript';

/** Where instrumented modules find their counters: a property of the global object. */
export const COUNTERS = '__fuzzCounters';

/** TypeScript with a counter on each side of its branches. */
export interface Instrumented {
  readonly source: string;
  /** How many counters it uses, from `first` on. */
  readonly counters: number;
  /** Whole numbers that stand in it: what its branches may compare with. */
  readonly numbers: readonly number[];
}

const LARGEST_NUMBER = 0xffff_ffff;

interface Insertion {
  readonly at: number;
  readonly text: string;
  /** Closes what an earlier insertion opened. */
  readonly closes: boolean;
  readonly order: number;
}

const SHORT_CIRCUITS = new Set<ts.SyntaxKind>([
  ts.SyntaxKind.AmpersandAmpersandToken,
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken,
  ts.SyntaxKind.AmpersandAmpersandEqualsToken,
  ts.SyntaxKind.BarBarEqualsToken,
  ts.SyntaxKind.QuestionQuestionEqualsToken,
]);

class Instrumenter {
  readonly #file: ts.SourceFile;
  readonly #insertions: Insertion[] = [];
  readonly #first: number;
  readonly #numbers = new Set<number>();
  #counters = 0;

  constructor(file: ts.SourceFile, first: number) {
    this.#file = file;
    this.#first = first;
  }

  instrument(): Instrumented {
    this.#visit(this.#file);
    // At one place: what closes comes first, the inner one before the outer; what opens follows, the outer one first.
    this.#insertions.sort(
      (a, b) =>
        a.at - b.at || Number(b.closes) - Number(a.closes) || (a.closes ? b.order - a.order : a.order - b.order),
    );
    const { text } = this.#file;
    let source = `const __counters = globalThis.${COUNTERS}; `;
    let copied = 0;
    for (const { at, text: inserted } of this.#insertions) {
      source += text.slice(copied, at) + inserted;
      copied = at;
    }
    return { source: source + text.slice(copied), counters: this.#counters, numbers: [...this.#numbers] };
  }

  #visit(node: ts.Node): void {
    if (ts.isIfStatement(node)) this.#visitIf(node);
    else if (ts.isIterationStatement(node, false)) this.#statement(node.statement);
    else if (ts.isConditionalExpression(node)) {
      this.#expression(node.whenTrue);
      this.#expression(node.whenFalse);
    } else if (ts.isBinaryExpression(node) && SHORT_CIRCUITS.has(node.operatorToken.kind)) this.#expression(node.right);
    else if (ts.isCaseOrDefaultClause(node)) this.#clause(node);
    else if (ts.isCatchClause(node)) this.#statement(node.block);
    else if (ts.isFunctionLike(node)) this.#function(node);
    else if (ts.isParameter(node) && node.initializer !== undefined) this.#expression(node.initializer);
    else if (ts.isNumericLiteral(node)) this.#number(Number(node.text));
    ts.forEachChild(node, (child) => this.#visit(child));
  }

  #visitIf({ thenStatement, elseStatement }: ts.IfStatement): void {
    const missing = elseStatement === undefined ? ` else {${this.#count()}}` : '';
    this.#statement(thenStatement, missing);
    if (elseStatement !== undefined) this.#statement(elseStatement);
  }

  #function(node: ts.SignatureDeclaration): void {
    const body = 'body' in node ? (node.body as ts.Node | undefined) : undefined;
    if (body === undefined) return;
    if (ts.isBlock(body)) this.#statement(body);
    else this.#expression(body as ts.Expression);
  }

  #number(number: number): void {
    if (Number.isInteger(number) && number >= 0 && number <= LARGEST_NUMBER) this.#numbers.add(number);
  }

  #clause(clause: ts.CaseOrDefaultClause): void {
    const colon = clause.getChildren(this.#file).find(({ kind }) => kind === ts.SyntaxKind.ColonToken);
    if (colon !== undefined) this.#insert(colon.end, this.#count(), false);
  }

  #statement(statement: ts.Statement, after = ''): void {
    const start = statement.getStart(this.#file);
    const isBlock = ts.isBlock(statement);
    this.#insert(isBlock ? start + 1 : start, `${isBlock ? '' : '{'}${this.#count()}`, false);
    const close = `${isBlock ? '' : '}'}${after}`;
    if (close !== '') this.#insert(statement.end, close, true);
  }

  #expression(expression: ts.Expression): void {
    this.#insert(expression.getStart(this.#file), `(${this.#count().replace(';', ',')}`, false);
    this.#insert(expression.end, ')', true);
  }

  #count(): string {
    this.#counters += 1;
    return `__counters[${this.#first + this.#counters - 1}]++;`;
  }

  #insert(at: number, text: string, closes: boolean): void {
    this.#insertions.push({ at, text, closes, order: this.#insertions.length });
  }
}

/**
 * Puts a counter on each side of every branch of a TypeScript module: functions, `if` with and without `else`, loops,
 * cases, conditional and short-circuit operators, defaults of parameters, `catch`. Line numbers stay as they are.
 */
export function instrument(name: string, source: string, first: number): Instrumented {
  return new Instrumenter(ts.createSourceFile(name, source, ts.ScriptTarget.ESNext, false), first).instrument();
}
