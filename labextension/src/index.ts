import { backtestsPlugin } from './backtests/plugin';
import { connectionPlugin } from './connection';
import { datasetsPlugin } from './datasets/plugin';
import { debuggingPlugin } from './debugging/plugin';
import { homePlugin } from './home/plugin';
import { jobsPlugin } from './jobs/plugin';
import { outputsPlugin } from './outputs/plugin';
import { labPlugin } from './plugin';
import { launcherPlugin } from './launcher';
import { sidebarPlugin } from './sidebar/plugin';
import { strategiesPlugin } from './strategies/plugin';
import { tourPlugin } from './tour/plugin';

/** One small plugin per panel; they share the lab, which the first provides. */
export default [
  labPlugin,
  outputsPlugin,
  connectionPlugin,
  sidebarPlugin,
  homePlugin,
  strategiesPlugin,
  debuggingPlugin,
  datasetsPlugin,
  backtestsPlugin,
  jobsPlugin,
  launcherPlugin,
  tourPlugin
];
