-- Movements of several people in one call. Each run of one person's movements is posted by the one function that posts;
-- the locks of all are taken before.
create function post_commands(p_site text, p_postings jsonb)
returns table (posting text, outcome text, line int, available numeric, subject text, effective timestamptz,
               worths numeric[], currency text)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  waited text[];
  minded text[];
  run record;
begin
  perform hold_for_postings(p_site, p_postings);

  -- asked behind the locks of the items: nobody begins to wait for them now
  waited := array(
    select distinct r.item from reservation r
    where r.site = p_site and r.state in ('PENDING', 'SHORT') and r.item in (
      select jsonb_array_elements_text(x -> 'gains') from jsonb_array_elements(p_postings) x));
  minded := array(
    select distinct m.item from materials_policy m
    where m.site = p_site and m.active_revision <> '' and m.item in (
      select jsonb_array_elements_text(x -> 'losses') from jsonb_array_elements(p_postings) x));

  for run in
    with given as (
      select x as content, n, x ->> 'actor' as actor, x -> 'gains' ?| waited or x -> 'losses' ?| minded as apart
      from jsonb_array_elements(p_postings) with ordinality as entry(x, n)
    ), numbered as (
      select *, n - row_number() over (partition by apart, actor order by n) as island from given
    )
    select apart, actor, jsonb_agg(content order by n) as contents
    from numbered group by apart, actor, island order by min(n)
  loop
    if run.apart then
      return query select x ->> 'name', 'APART', 1, 0::numeric, '', null::timestamptz, '{}'::numeric[], ''
      from jsonb_array_elements(run.contents) x;
    else
      return query select * from post_to_ledger(p_site, run.actor, run.contents);
    end if;
  end loop;
end $$;

revoke all on function post_commands(text, jsonb) from public;
grant execute on function post_commands(text, jsonb) to materials_app;
