# SPDX-License-Identifier: GPL-2.0-or-later
# Rooms: the layers inside a freestanding folder. A room is a folder of files that become objects, with headers
# of its own. It sees those and the headers of the rooms it names and of the rooms these see, and no others; so which way
# the arrows go is what compiles (docs/architecture.md, "Rooms"). What a lower room asks of a higher one it declares itself.

# One room, in the folder it stands in.
#
#   d86_room(d86-executor-memory SOURCES bus.c mem.c SEES d86-executor-host)
function(d86_room name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;SEES")
    if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
        message(FATAL_ERROR "d86_room(${name}): files after SOURCES, rooms after SEES")
    endif()
    add_library(${name} OBJECT ${arg_SOURCES})
    target_include_directories(${name} PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}")
    target_link_libraries(${name} PRIVATE d86-warnings)
    d86_sees(${name} PUBLIC ${arg_SEES})
    d86_freestanding(${name})
endfunction()

# The headers of rooms, and of those they see, for a target that is no room; none of their objects.
#
#   d86_sees(test_segment PRIVATE d86-executor-processor)
function(d86_sees target scope)
    foreach(room IN LISTS ARGN)
        target_include_directories(${target} ${scope} "$<TARGET_PROPERTY:${room},INTERFACE_INCLUDE_DIRECTORIES>")
    endforeach()
endfunction()

# The library its rooms make together: a static one, and one even where they call each other in both directions.
#
#   d86_of_rooms(d86-translator d86-decoder d86-emitter d86-scanner)
function(d86_of_rooms name)
    set(objects "")
    foreach(room IN LISTS ARGN)
        list(APPEND objects "$<TARGET_OBJECTS:${room}>")
    endforeach()
    add_library(${name} STATIC ${objects})
    set_target_properties(${name} PROPERTIES D86_ROOMS "${ARGN}")
endfunction()
