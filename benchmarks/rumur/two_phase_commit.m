-- Two-phase commit (Gray & Lamport, Consensus on Transaction Commit, 2006).
-- benchmarks/run.py replaces the number of managers, and the range by a scalarset to measure symmetry reduction.
const RMS: 8;

type
  RM: 0..RMS - 1;
  RMState: enum { working, prepared, rm_committed, rm_aborted };
  TMState: enum { init, committed, aborted };

var
  rm: array[RM] of RMState;
  tm: TMState;
  tm_prepared: array[RM] of boolean;
  sent_prepared: array[RM] of boolean;
  sent_commit: boolean;
  sent_abort: boolean;

startstate begin
  for r: RM do
    rm[r] := working;
    tm_prepared[r] := false;
    sent_prepared[r] := false;
  end;
  tm := init;
  sent_commit := false;
  sent_abort := false;
end;

rule "TMCommit" tm = init & forall r: RM do tm_prepared[r] end ==>
begin
  tm := committed;
  sent_commit := true;
end;

rule "TMAbort" tm = init ==>
begin
  tm := aborted;
  sent_abort := true;
end;

ruleset r: RM do
  rule "TMRcvPrepared" tm = init & sent_prepared[r] ==>
  begin
    tm_prepared[r] := true;
  end;

  rule "RMPrepare" rm[r] = working ==>
  begin
    rm[r] := prepared;
    sent_prepared[r] := true;
  end;

  rule "RMChooseToAbort" rm[r] = working ==>
  begin
    rm[r] := rm_aborted;
  end;

  rule "RMRcvCommit" sent_commit ==>
  begin
    rm[r] := rm_committed;
  end;

  rule "RMRcvAbort" sent_abort ==>
  begin
    rm[r] := rm_aborted;
  end;
end;

invariant "Consistent"
  !((exists r: RM do rm[r] = rm_committed end) & (exists r: RM do rm[r] = rm_aborted end));
