// Boost.URL, compiled here: Debian's libboost-url is a package of its own, the headers hold it all.
#include <boost/url/src.hpp>
