import { ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import { useModels } from '../components/hooks';
import { shortHash } from '../format';
import type { ResultModel } from './model';

/** The run's identity at the right of the toolbar: its ledger's hash. */
export class LedgerItem extends ReactWidget {
  constructor(private model: ResultModel) {
    super();
    this.addClass('alp-Ledger');
  }

  protected render(): JSX.Element {
    return <Ledger model={this.model} />;
  }
}

function Ledger({ model }: { model: ResultModel }): JSX.Element | null {
  useModels(model);
  const hash = model.results?.ledger_sha256;
  return hash ? (
    <span title={`SHA-256 over every fill in order: ${hash}`}>
      ledger <code>{shortHash(hash)}</code>
    </span>
  ) : null;
}
