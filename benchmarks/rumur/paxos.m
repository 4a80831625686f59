-- Single-decree Paxos (Lamport, Paxos Made Simple, 2001); messages are sets that only grow.
-- benchmarks/run.py replaces the number of ballots, and the ranges by scalarsets to measure symmetry reduction.
-- Ballot -1 is none; where it stands, the value is undefined. An acceptor sends one 1b, and votes once, in a ballot (asserted).
const
  MAX_BALLOT: 2;
  ACCEPTORS: 3;
  VALUES: 2;

type
  Ballot: 0..MAX_BALLOT;
  AnyBallot: -1..MAX_BALLOT;
  Acceptor: 0..ACCEPTORS - 1;
  Value: 0..VALUES - 1;
  OneB: record sent: boolean; mbal: AnyBallot; mval: Value; end;

var
  max_bal: array[Acceptor] of AnyBallot;
  max_vbal: array[Acceptor] of AnyBallot;
  max_val: array[Acceptor] of Value;
  one_a: array[Ballot] of boolean;
  one_b: array[Ballot] of array[Acceptor] of OneB;
  two_a: array[Ballot] of Value;                    -- undefined if there is no 2a: Phase2a sends one in a ballot
  two_b: array[Ballot] of array[Acceptor] of Value; -- undefined if there is no 2b

-- p and q are a quorum, and their 1b messages for ballot b show that v can be proposed there.
function shown(p: Acceptor; q: Acceptor; b: Ballot; v: Value): boolean;
begin
  alias m: one_b[b][p]; n: one_b[b][q] do
    if !m.sent | !n.sent then return false; end;
    if m.mbal = -1 & n.mbal = -1 then return true; end;
    if m.mbal > n.mbal then return m.mval = v; end;
    return n.mval = v;
  end;
end;

startstate begin
  for a: Acceptor do
    max_bal[a] := -1;
    max_vbal[a] := -1;
    undefine max_val[a];
  end;
  for b: Ballot do
    one_a[b] := false;
    undefine two_a[b];
    for a: Acceptor do
      one_b[b][a].sent := false;
      undefine one_b[b][a].mbal;
      undefine one_b[b][a].mval;
      undefine two_b[b][a];
    end;
  end;
end;

ruleset b: Ballot do
  rule "Phase1a" true ==>
  begin
    one_a[b] := true;
  end;

  ruleset v: Value do
    rule "Phase2a" isundefined(two_a[b]) & exists p: Acceptor do exists q: Acceptor do p != q & shown(p, q, b, v) end end ==>
    begin
      two_a[b] := v;
    end;
  end;

  ruleset a: Acceptor do
    rule "Phase1b" one_a[b] & b > max_bal[a] ==>
    begin
      assert !one_b[b][a].sent;
      max_bal[a] := b;
      one_b[b][a].sent := true;
      one_b[b][a].mbal := max_vbal[a];
      if max_vbal[a] != -1 then one_b[b][a].mval := max_val[a]; end;
    end;

    rule "Phase2b" !isundefined(two_a[b]) & b >= max_bal[a] ==>
    begin
      assert isundefined(two_b[b][a]) | two_b[b][a] = two_a[b];
      max_bal[a] := b;
      max_vbal[a] := b;
      max_val[a] := two_a[b];
      two_b[b][a] := two_a[b];
    end;
  end;
end;

function chosen(v: Value): boolean;
begin
  for b: Ballot do
    if !isundefined(two_a[b]) & two_a[b] = v then
      for p: Acceptor do
        for q: Acceptor do
          if p != q & !isundefined(two_b[b][p]) & !isundefined(two_b[b][q]) then return true; end;
        end;
      end;
    end;
  end;
  return false;
end;

invariant "Agreement"
  forall v: Value do forall w: Value do v = w | !chosen(v) | !chosen(w) end end;
