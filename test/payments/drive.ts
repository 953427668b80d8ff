import type { World } from '../../src/virtual/world/world.ts';
import { killVault } from '../integration/support.ts';
import { exportAudit } from './audit-log.ts';
import { Book } from './book.ts';
import { Cashier } from './cashier.ts';
import { OutsideView } from './database.ts';
import { checkAll, checkStretch } from './invariants.ts';
import { Kiosk } from './kiosk.ts';
import { carryOut } from './mishaps.ts';
import { drawKills, drawPlan } from './plan.ts';
import { MERCHANT, openShop } from './shop.ts';

/** What is to be driven. */
export interface Drive {
  /** Orders to be paid. */
  readonly count: number;
  readonly seed: number;
  readonly phones: number;
  /** SIGKILLs, of the service and its vault in turns. */
  readonly kills: number;
}

/** What came of it. */
export interface DriveResult {
  readonly book: Book;
  readonly seconds: number;
}

const TELL_EVERY = 10_000;
const STRETCH = 10_000;

/** Pays so many orders through everything that befalls them, and checks from outside that nothing is lost and nothing twice. */
export async function drive(world: World, plan: Drive, tell: (step: string) => void): Promise<DriveResult> {
  const book = new Book();
  const shop = await openShop(world, plan.phones, {
    onBadApproval: (line) => book.violate(line.trim(), null),
    onApproval: (intentHash, receipt) => book.approve(intentHash, receipt, null),
  });
  tell(`${plan.phones} phones enrolled`);
  const view = await OutsideView.open(world);
  try {
    const started = performance.now();
    const kiosk = new Kiosk(shop.kioskPhones.map((phone) => new Cashier(shop, phone, book)));
    const course = new Course(plan, book, world, view, kiosk);
    const telling = setInterval(() => tell(course.progress(started)), TELL_EVERY);
    try {
      await Promise.all([...shop.phones.map((phone) => course.work(new Cashier(shop, phone, book)))]);
      await course.settled();
    } finally {
      clearInterval(telling);
    }
    const seconds = (performance.now() - started) / 1000;
    tell(course.progress(started));
    tell('no payment is on its way; the audit log is exported and verified');
    const audit = await exportAudit(world, 'end', course.witnesses);
    await checkAll(book, view, shop, audit);
    return { book, seconds };
  } finally {
    await view.close();
    shop.ledger.close();
  }
}

/** Hands out plans, kills at the drawn numbers of orders, and looks at what was done so far. */
class Course {
  readonly witnesses: string[] = [];
  readonly #drive: Drive;
  readonly #book: Book;
  readonly #world: World;
  readonly #view: OutsideView;
  readonly #kiosk: Kiosk;
  readonly #killsAt: readonly number[];
  #plans = 0;
  #begun = 0;
  #killed = 0;
  #looked = 0;
  #aside: Promise<void> = Promise.resolve();

  constructor(drive: Drive, book: Book, world: World, view: OutsideView, kiosk: Kiosk) {
    this.#kiosk = kiosk;
    this.#drive = drive;
    this.#book = book;
    this.#world = world;
    this.#view = view;
    this.#killsAt = drawKills(drive.seed, drive.count, drive.kills);
  }

  progress(started: number): string {
    const seconds = (performance.now() - started) / 1000;
    const { size } = this.#book.paid;
    return `${size} orders paid, ${(size / seconds).toFixed(1)} a second; ${this.#book.violations.length} violations`;
  }

  /** What goes on aside has ended. */
  settled(): Promise<void> {
    return this.#aside;
  }

  /** Carries out plans until all orders are begun. */
  async work(cashier: Cashier): Promise<void> {
    // What is over a limit is not paid: other orders are in its place.
    while (this.#begun - this.#book.limited.size < this.#drive.count) {
      const plan = drawPlan(this.#drive.seed, this.#plans);
      this.#plans += 1;
      this.#begun += plan.orders.length;
      this.#lookAside();
      const orders = plan.orders.map((order, at) => ({
        ...order,
        name: `${plan.number}-${at}`,
        merchant: MERCHANT,
        plan: plan.number,
      }));
      try {
        await carryOut({ cashier, view: this.#view, kiosk: this.#kiosk, plan, orders });
        this.#book.count(`plan: ${plan.mishap}`);
      } catch (error) {
        const said = error instanceof Error ? (error.stack ?? error.message) : String(error);
        this.#book.violate(`${plan.mishap} was not carried out: ${said}`, plan.number);
        cashier.drop();
      }
    }
    cashier.drop();
  }

  #lookAside(): void {
    const due = this.#killsAt[this.#killed];
    if (due !== undefined && this.#book.paid.size >= due) {
      this.#killed += 1;
      this.#next(() => this.#kill());
    }
    if (this.#book.paid.size >= this.#looked + STRETCH) {
      const from = this.#looked;
      this.#looked += STRETCH;
      this.#next(() => this.#look(from));
    }
  }

  #next(work: () => Promise<void>): void {
    this.#aside = this.#aside.then(work).catch((error: unknown) => {
      this.#book.violate(`not done: ${error instanceof Error ? error.stack : String(error)}`, null);
    });
  }

  async #kill(): Promise<void> {
    if (this.#killed % 2 === 0) {
      await killVault(this.#world);
      this.#book.count('kills of the vault');
      return;
    }
    const started = performance.now();
    this.#book.serviceKills += 1;
    await this.#world.killService();
    await this.#world.startService();
    this.#book.serviceKills += 1;
    this.#book.count('kills of the service');
    this.#book.count('milliseconds without the service', Math.round(performance.now() - started));
  }

  async #look(from: number): Promise<void> {
    const approvals = [...this.#book.approvals.keys()].slice(from, from + STRETCH);
    await checkStretch(this.#book, this.#view, approvals);
    this.#book.count('looks at a stretch');
  }
}
