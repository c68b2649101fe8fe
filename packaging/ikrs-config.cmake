# find_package(ikrs) defines the targets ikrs::ikrs (shared) and ikrs::ikrs_static.
get_filename_component(_ikrs_lib "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
get_filename_component(_ikrs_prefix "${_ikrs_lib}/.." ABSOLUTE)

if(NOT TARGET ikrs::ikrs)
    add_library(ikrs::ikrs SHARED IMPORTED)
    set_target_properties(ikrs::ikrs PROPERTIES
        IMPORTED_LOCATION "${_ikrs_lib}/libikrs.so"
        IMPORTED_SONAME "libikrs.so.0"
        INTERFACE_INCLUDE_DIRECTORIES "${_ikrs_prefix}/include")

    add_library(ikrs::ikrs_static STATIC IMPORTED)
    set_target_properties(ikrs::ikrs_static PROPERTIES
        IMPORTED_LOCATION "${_ikrs_lib}/libikrs.a"
        INTERFACE_INCLUDE_DIRECTORIES "${_ikrs_prefix}/include"
        INTERFACE_LINK_LIBRARIES "gcc_s;pthread;m;dl")
endif()

unset(_ikrs_lib)
unset(_ikrs_prefix)
