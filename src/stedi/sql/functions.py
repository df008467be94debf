"""The functions that a query may call: those of Athena's that read values and do nothing else.

An engine has others, which sleep, write to its log, read files or the environment, or change its
state. A list of what is bad would be one release behind; this is a list of what is good.
"""

from __future__ import annotations

from sqlglot import exp

from stedi.sql.portable import HELD

_TYPED = frozenset(
    {
        *HELD,
        *(exp.Cbrt, exp.Exp, exp.Ln, exp.Log, exp.Pow, exp.Sign, exp.Trunc, exp.Pi, exp.Radians),
        *(exp.Degrees, exp.Sin, exp.Cos, exp.Tan, exp.Asin, exp.Acos, exp.Atan, exp.Atan2),
        *(exp.Sinh, exp.Cosh, exp.Tanh, exp.Rand, exp.WidthBucket, exp.IsNan, exp.IsInf, exp.Uuid),
        *(exp.ConcatWs, exp.Reverse, exp.Pad, exp.Levenshtein, exp.Translate, exp.Normalize),
        *(exp.Encode, exp.Decode, exp.Initcap, exp.Unicode, exp.ToChar),
        *(exp.RegexpReplace, exp.RegexpExtract, exp.RegexpExtractAll, exp.RegexpSplit),
        *(exp.RegexpCount, exp.Try, exp.ArrayContains, exp.ArrayDistinct),
        *(exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime, exp.Localtimestamp),
        *(exp.Localtime, exp.Date, exp.TimestampTrunc, exp.DateTrunc, exp.DateAdd, exp.DateSub),
        *(exp.TimeToStr, exp.StrToTime, exp.TimeToUnix, exp.Timestamp),
        *(exp.FromISO8601Timestamp, exp.FromISO8601Date, exp.WeekOfYear, exp.DayOfMonth),
        *(exp.DayOfWeek, exp.DayOfWeekIso, exp.DayOfYear, exp.YearOfWeek, exp.LastDay),
        *(exp.TsOrDsToDate, exp.StrToDate, exp.TsOrDsAdd, exp.TsOrDsDiff, exp.TimeStrToTime),
        *(exp.ArgMin, exp.ArgMax, exp.AnyValue, exp.ArrayAgg, exp.GroupConcat, exp.ApproxDistinct),
        *(exp.ApproxQuantile, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance),
        *(exp.VariancePop, exp.Corr, exp.CovarPop, exp.CovarSamp, exp.Skewness, exp.Kurtosis),
        *(exp.RegrSlope, exp.RegrIntercept, exp.BitwiseAndAgg, exp.BitwiseOrAgg),
        *(exp.BitwiseXorAgg, exp.Grouping, exp.Quantile, exp.PercentileCont),
        *(exp.PercentileDisc, exp.PercentRank, exp.CumeDist, exp.Ntile, exp.NthValue),
        *(exp.ArrayExcept, exp.ArrayIntersect, exp.ArrayToString, exp.ArrayMax, exp.ArrayMin),
        *(exp.ArrayPosition, exp.ArrayRemove, exp.ArraySort, exp.ArrayConcat),
        *(exp.Flatten, exp.GenerateSeries, exp.ArraySlice, exp.Reduce, exp.Transform),
        *(exp.ArrayFilter, exp.Explode, exp.Struct, exp.Map, exp.MapKeys),
        *(exp.MapFromEntries, exp.VarMap, exp.JSONExtract, exp.JSONExtractScalar, exp.ParseJSON),
        *(exp.JSONFormat, exp.JSONObject, exp.JSONArray, exp.MD5Digest),
        *(exp.MD5, exp.SHA, exp.SHA2, exp.SHA2Digest, exp.Hex, exp.LowerHex, exp.Unhex),
        *(exp.ToBase64, exp.FromBase64, exp.FromBase, exp.Xor, exp.Anonymous),
        *(exp.Format, exp.CurrentTimezone),
    }
)
"""Those that sqlglot knows, by what it makes of them; the last are the ones that it doesn't."""

_NAMED = frozenset(
    {
        *("is_finite", "is_infinite", "infinity", "nan", "e", "codepoint", "hamming_distance"),
        *("millisecond", "to_iso8601", "format_datetime", "at_timezone", "every", "yow"),
        *(
            "approx_most_frequent",
            "numeric_histogram",
            "geometric_mean",
            "histogram",
            "map_agg",
            "checksum",
            "array_union",
            "arrays_overlap",
        ),
        *("any_match", "all_match", "none_match", "zip", "zip_with"),
        *("map_values", "map_entries", "map_filter", "json_array_length"),
        *("json_size", "bitwise_left_shift", "bitwise_right_shift", "bit_count"),
        *("xxhash64", "crc32", "url_encode", "url_decode", "url_extract_host", "to_base"),
        *("url_extract_path", "url_extract_query"),
    }
)


_LISTED = """
abs acos all_match any_match any_value approx_distinct approx_most_frequent approx_percentile
arbitrary array_agg array_distinct array_except array_intersect array_join array_max array_min
array_position array_remove array_sort array_union arrays_overlap asin at_timezone atan atan2 avg
bit_count bitwise_and bitwise_and_agg bitwise_left_shift bitwise_not bitwise_or bitwise_or_agg
bitwise_right_shift bitwise_xor bitwise_xor_agg bool_and bool_or cardinality cast cbrt ceil
ceiling checksum chr coalesce codepoint concat concat_ws contains corr cos cosh count count_if
covar_pop covar_samp crc32 cume_dist current_date current_time current_timestamp current_timezone
date date_add date_diff date_format date_parse date_trunc day day_of_month day_of_week day_of_year
degrees dense_rank dow doy e element_at every exp extract filter first_value flatten floor format
format_datetime from_base from_base64 from_hex from_iso8601_date from_iso8601_timestamp
from_unixtime from_utf8 geometric_mean greatest grouping hamming_distance histogram hour if
infinity is_finite is_infinite is_nan json_array_length json_extract json_extract_scalar
json_format json_object json_parse json_size kurtosis lag last_day_of_month last_value lead least
length levenshtein_distance listagg ln localtime localtimestamp log log10 log2 lower lpad ltrim
map map_agg map_entries map_filter map_from_entries map_keys map_values max max_by md5 millisecond
min min_by minute mod month nan none_match normalize now nth_value ntile nullif numeric_histogram
percent_rank pi position power quarter radians rand random rank reduce regexp_count regexp_extract
regexp_extract_all regexp_like regexp_replace regexp_split regr_intercept regr_slope replace
reverse round row row_number rpad rtrim second sequence sha1 sha256 sha512 sign sin sinh skewness
slice split split_part sqrt starts_with stddev stddev_pop stddev_samp strpos substr substring sum
tan tanh to_base to_base64 to_hex to_iso8601 to_unixtime to_utf8 transform translate trim truncate
try try_cast unnest upper url_decode url_encode url_extract_host url_extract_path
url_extract_query uuid var_pop var_samp variance week width_bucket xxhash64 year year_of_week yow
zip zip_with
"""
NAMES = tuple(_LISTED.split())
"""Their names on Athena, for people and for completion."""


_NAMES_ON_ATHENA: dict[type[exp.Expr], str] = {exp.StrToMap: "split_to_map"}


def refused(query: exp.Expr) -> str | None:
    """The name of the first function that a query may not call; None where there is none."""
    for node in query.find_all(exp.Func):
        if isinstance(node, exp.Anonymous):
            if node.name.lower() not in _NAMED:
                return node.name.lower()[:60]
        elif type(node) not in _TYPED:
            return _NAMES_ON_ATHENA.get(type(node)) or node.sql_name().lower()
    return None
