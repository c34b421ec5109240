// Short names for the generated types.
import type { components } from './types';

type Schemas = components['schemas'];

export type Backtest = Schemas['Backtest'];
export type BacktestCreate = Schemas['BacktestCreate'];
export type BacktestResults = Schemas['BacktestResults'];
export type Check = Schemas['Check'];
export type Curve = Schemas['Curve'];
export type Dataset = Schemas['Dataset'];
export type DatasetDetail = Schemas['DatasetDetail'];
export type DebugCreate = Schemas['DebugCreate'];
export type DebugSession = Schemas['DebugSession'];
export type Finding = Schemas['Finding'];
export type Frame = Schemas['Frame'];
export type Job = Schemas['Job'];
export type JobError = Schemas['JobError'];
export type JobLog = Schemas['JobLog'];
export type Order = Schemas['Order'];
export type Outline = Schemas['Outline'];
export type Overview = Schemas['Overview'];
export type Parameter = Schemas['Parameter'];
export type Preview = Schemas['Preview'];
export type Problem = Schemas['Problem'];
export type Report = Schemas['Report'];
export type Series = Schemas['Series'];
export type Settings = Schemas['Settings'];
export type Strategy = Schemas['Strategy'];
export type StrategyTemplate = Schemas['StrategyTemplate'];
export type Trade = Schemas['Trade'];
export type Verdict = Schemas['Verdict'];

/** A page of a list: `next` is the cursor of the following page. */
export type Page<T> = { items: T[]; next: string | null };

/** A page of trades, found by its offset, so that a table can jump. */
export type TradePage = Schemas['TradePage'];

/** Which trades a table shows. */
export type TradeFilter = Schemas['TradesQuery']['filter'] & string;
