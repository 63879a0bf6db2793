// fmt, compiled once here: Debian ships it as headers and a shared library, and the check links
// statically. Without this every file that formats compiles all of fmt again, which took 40 % of a
// build. The explicit instantiations are the functions that fmt's headers declare `extern` or only
// declare, where FMT_HEADER_ONLY is not defined.
#include <fmt/format-inl.h>

FMT_BEGIN_NAMESPACE
namespace detail {

template dragonbox::decimal_fp<float> dragonbox::to_decimal(float) noexcept;
template dragonbox::decimal_fp<double> dragonbox::to_decimal(double) noexcept;
template void buffer<char>::append(const char*, const char*);
template thousands_sep_result<char> thousands_sep_impl(locale_ref);
template char decimal_point_impl(locale_ref);
template void vformat_to(buffer<char>&, string_view, basic_format_args<buffer_context<char>>,
                         locale_ref);

}  // namespace detail
FMT_END_NAMESPACE
